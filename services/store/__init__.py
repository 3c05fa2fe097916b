"""What the product remembers, in MongoDB: the only package that imports motor and pymongo."""
