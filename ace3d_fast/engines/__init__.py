"""How the work of a stage is spread: `local` runs it in this process."""
