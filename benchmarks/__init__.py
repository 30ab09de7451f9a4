"""One benchmark that anyone can run: ``make benchmark``. See README.md in this folder."""
