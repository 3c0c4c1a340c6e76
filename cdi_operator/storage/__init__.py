"""Facts and arithmetic about storage: sizes, names, default classes, what each product can do. No I/O, no decisions."""
