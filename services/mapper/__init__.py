"""The mapper: applies the published mappings to the changes of employees."""
