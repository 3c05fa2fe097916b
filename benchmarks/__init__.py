"""Each stage of the pipeline beside a bare loop of the same libraries."""
