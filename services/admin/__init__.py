"""The actions of administrators and operators, as functions with typed results. Command lines only print them."""
