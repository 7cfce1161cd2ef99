"""The same steps by PyTorch, which only this folder imports; it is no dependency of the package."""
