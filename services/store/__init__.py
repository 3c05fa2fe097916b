"""The product's data in MongoDB. Only this package imports motor and pymongo."""
