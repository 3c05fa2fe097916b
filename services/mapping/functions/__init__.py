"""The functions of transforms. A module that needs a large library is loaded for the first rule that names its transform."""
