"""One finding of `bionas-cupy doctor`."""

from dataclasses import dataclass

from ..engine.errors import BionasError


@dataclass(frozen=True)
class Line:
    """One finding: ok, note, or problem, the error being what the command then ends with."""

    about: str
    text: str
    cure: str = ""
    status: str = "ok"
    kind: type[BionasError] = BionasError

    @property
    def error(self) -> BionasError:
        return self.kind(f"{self.about}: {self.text}.", self.cure)

    def plain(self) -> dict[str, str]:
        return {"check": self.about, "status": self.status, "text": self.text, "cure": self.cure}
