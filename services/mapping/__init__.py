"""From an employee to the desired account: pure, and the same code for mapper, preview and explanation."""
