"""Everything in one file, and back: the format (`archive`), making it (`make`), loading it (`load`)."""
