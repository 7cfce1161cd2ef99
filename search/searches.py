"""The search of a supernet that a configuration names."""

from ..data.dataset import Images
from ..engine.backend import Backend
from .config import SearchConfig
from .darts import DartsSearch
from .guided import GuidedSearch
from .supernet_search import SupernetSearch


def supernet_search(config: SearchConfig, images: Images, backend: Backend) -> SupernetSearch:
    """By gradient, or by rounds of CMA-ES searches."""
    kinds: dict[str, type[SupernetSearch]] = {"darts": DartsSearch, "eg": GuidedSearch}
    return kinds[config.strategy](config, images, backend)
