"""From an employee to the desired account: pure functions, the same for the mapper and for the documentation."""
