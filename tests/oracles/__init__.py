"""Our evaluation against Microsoft's compiler and deployment engine, where their recorded answers are."""
