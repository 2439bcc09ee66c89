"""Who a caller is, and what that allows. No HTTP and no database."""
