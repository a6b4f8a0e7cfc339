"""What is kept: tables, the journal, and the statements that read and write them."""
