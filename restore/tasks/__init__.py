"""One folder per task: what was measured, which atoms, when to stop. Tasks import no other task."""
