"""One folder a task: what was measured, which atoms, when to stop. They import no sibling."""
