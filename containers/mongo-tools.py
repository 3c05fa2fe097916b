#!/usr/bin/env python3
"""Stand-in for ``mongodump`` and ``mongorestore``, which Debian, PyPI and Maven do not have.

The name of the program decides what it does. It takes the options that docs/operations.md prints, all of them and no others,
and reads the archives that it has written only. Like the originals it needs a server that is the primary of a replica set.
"""

import argparse
import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import bson
from pymongo import MongoClient

OPTIONS = {
    "mongodump": ("--oplog", "--archive", "--gzip"),
    "mongorestore": ("--oplogReplay", "--drop", "--archive", "--gzip"),
}
"""The required options of each program, beside ``--config``."""

INTERNAL = {"admin", "config", "local"}
"""Databases of the server itself."""

BATCH = 1_000
"""Documents that one command inserts."""

Document = dict[str, Any]


def dump(client: MongoClient[Document], archive: IO[bytes]) -> None:
    """Writes all collections, as they are at one moment, with their indexes."""
    with client.start_session(snapshot=True) as session:
        for database in sorted(set(client.list_database_names()) - INTERNAL):
            for name in client[database].list_collection_names():
                indexes = [dict(index) for index in client[database][name].list_indexes()]
                archive.write(bson.encode({"database": database, "collection": name, "indexes": indexes}))
                for document in client[database][name].find(session=session):
                    archive.write(bson.encode({"document": document}))


def restore(client: MongoClient[Document], archive: IO[bytes]) -> None:
    """Replaces each collection of the archive."""
    documents: list[Document] = []
    collection = client["none"]["none"]
    for entry in read_entries(archive):
        if "document" in entry:
            documents.append(entry["document"])
        if documents and (len(documents) == BATCH or "document" not in entry):
            collection.insert_many(documents)
            documents = []
        if "collection" in entry:
            collection = client[entry["database"]][entry["collection"]]
            collection.drop()
            client[entry["database"]].command("createIndexes", entry["collection"], indexes=entry["indexes"])


def read_entries(archive: IO[bytes]) -> Iterator[Document]:
    """Yields the entries of an archive, and an empty one after the last."""
    yield from bson.decode_file_iter(archive)
    yield {}


def main() -> None:
    """Runs ``mongodump`` or ``mongorestore``, by the name of this file or link."""
    program = Path(sys.argv[0]).name
    parser = argparse.ArgumentParser(program)
    for option in OPTIONS[program]:
        parser.add_argument(option, action="store_true", required=True)
    parser.add_argument("--config", type=Path, required=True)
    name, _, address = parser.parse_args().config.read_text(encoding="utf-8").strip().partition(": ")
    if name != "uri":
        parser.error("the file of --config has to begin with 'uri: '")
    with MongoClient[Document](address) as client:
        if program == "mongodump":
            with gzip.open(sys.stdout.buffer, "wb") as archive:
                dump(client, archive)
        else:
            with gzip.open(sys.stdin.buffer, "rb") as archive:
                restore(client, archive)


if __name__ == "__main__":
    main()
