"""What the preview of all employees costs, beside the pages of Personio that it reads."""
