"""The commands, a module for each noun; `cli` puts them together."""
