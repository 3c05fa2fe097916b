"""Fictional names as they occur in a German company: umlauts, accents, hyphens, particles and apostrophes."""

import random
import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Culture:
    """Names of one culture, as lists separated by commas."""

    weight: int
    """Share of the employees, relative to the weights of the other cultures."""
    female: str
    """Female first names."""
    male: str
    """Male first names."""
    last: str
    """Last names."""


CULTURES = (
    Culture(
        62,
        "Anna,Anja,Birgit,Britta,Carolin,Christine,Claudia,Franziska,Gudrun,Hannah,Heike,Ines,Jana,Jördis,Judith,Julia,"
        "Karin,Katharina,Käthe,Lea,Lena,Luise,Marie,Marie-Luise,Martina,Mia,Nadine,Nicole,Petra,Sabine,Sandra,Silke,"
        "Sophie,Stefanie,Susanne,Svenja,Ulrike,Ursula,Ute,Anne-Kathrin",
        "Alexander,Andreas,Benjamin,Bernd,Björn,Christian,Daniel,David,Dirk,Fabian,Felix,Florian,Frank,Georg,Götz,Hans-Peter,"
        "Holger,Jan,Jens,Jonas,Jörg,Jürgen,Karl-Heinz,Kai,Lars,Leon,Lukas,Markus,Matthias,Max,Michael,Niklas,Oliver,Paul,"
        "Peter,Ralf,Sebastian,Stefan,Sven,Thomas,Tobias,Uwe,Wolfgang",
        "Albrecht,Arnold,Bauer,Beck,Becker,Bergmann,Böhm,Brandt,Braun,Busch,Dietrich,Engel,Ernst,Fischer,"
        "Frank,Franke,Freiherr von Stetten,Friedrich,Fuchs,Graf,Groß,Günther,Haas,Hahn,Hartmann,Heinrich,"
        "Herrmann,Hoffmann,Hofmann,Horn,Huber,Jäger,Jung,Kaiser,Keller,Klein,Koch,Köhler,König,Krämer,Kraus,"
        "Krause,Krüger,Kühn,Kuhn,Lang,Lange,Lehmann,Lorenz,Ludwig,Maier,Martin,Mayer,Meier,Meyer,Möller,"
        "Müller,Müller-Lüdenscheidt,Neumann,Otto,Peters,Pfeiffer,Pohl,Richter,Roth,Sauer,Schäfer,Schmidt,"
        "Schmitz,Schneider,Scholz,Schreiber,Schröder,Schubert,Schulte,Schulz,Schuster,Schwarz,Seidel,Simon,"
        "Sommer,Stein,Thomas,Vogel,Vogt,von der Heide,Wagner,Walter,Weber,Weiß,Werner,Winkler,Winter,Wolf,"
        "Ziegler,Zimmermann,zu Hohenfels",
    ),
    Culture(
        7,
        "Ayşe,Elif,Emine,Gül,Zeynep,Özlem",
        "Ahmet,Çağrı,Emre,Mehmet,Mustafa,Ömer",
        "Çelik,Demir,Öztürk,Şahin,Yıldız,Yılmaz",
    ),
    Culture(
        6,
        "Agnieszka,Katarzyna,Małgorzata,Zofia,Łucja",
        "Krzysztof,Łukasz,Paweł,Stanisław,Wojciech",
        "Dąbrowski,Kaczmarek,Kowalczyk,Nowak,Wiśniewski,Wójcik,Zając",
    ),
    Culture(
        6,
        "Anouk,Femke,Fleur,Loes,Sanne",
        "Bram,Daan,Jeroen,Maarten,Ruben",
        "van der Berg,van den Heuvel,de Vries,de Jong,'t Hart,Jansen,Bakker,van Dijk,ter Horst",
    ),
    Culture(
        5,
        "Amélie,Chloé,Éléonore,Françoise,Maëlle",
        "André,Benoît,François,Jérôme,Jean-Baptiste",
        "Lefèvre,Dubois,Girard,Béranger,de La Fontaine,Côté,Noël",
    ),
    Culture(
        4,
        "Inés,Lucía,María José,Nuria",
        "Íñigo,Javier,José María,Raúl",
        "García Márquez,Muñoz,Núñez,de la Cruz,Peña Ortiz",
    ),
    Culture(
        3, "Åsa,Freja,Ingrid,Sølvi", "Bjørn,Håkon,Søren,Øystein", "Ångström,Bjørnstad,Jørgensen,Lindqvist,Sørensen"
    ),
    Culture(3, "Chiara,Giulia,Nicoletta", "Alessandro,Matteo,Niccolò", "D'Angelo,Di Stefano,Esposito,Rossi,Dell'Acqua"),
    Culture(2, "Aoife,Niamh,Siobhán,Fiona", "Ciarán,Seán,Liam,Oisín", "O'Brien,O'Neill,MacLeod,Ní Bhriain,Smith-Jones"),
    Culture(2, "Jiřina,Ludmila,Žaneta", "Jiří,Ondřej,Přemysl", "Černý,Dvořák,Novák,Říha,Šťastný"),
)

GERMAN_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa", "æ": "ae", "ł": "l", "ı": "i", "đ": "d"}
)


@dataclass(frozen=True, slots=True)
class Name:
    """Name and gender of an employee."""

    gender: str
    """``female``, ``male`` or ``diverse``."""
    first: str
    """First name."""
    last: str
    """Last name, including particles."""


def draw_name(rng: random.Random) -> Name:
    """Returns a random name. One in a hundred has the gender ``diverse``."""
    culture = rng.choices(CULTURES, weights=[culture.weight for culture in CULTURES])[0]
    female = rng.random() < 0.5
    first = rng.choice((culture.female if female else culture.male).split(","))
    gender = "diverse" if rng.random() < 0.01 else ("female" if female else "male")
    return Name(gender, first, rng.choice(culture.last.split(",")))


def build_mailbox(first: str, last: str) -> str:
    """Returns the local part of the e-mail address: ``Jörg``, ``van der Berg`` → ``joerg.vanderberg``."""
    return f"{_convert_to_ascii(first)}.{_convert_to_ascii(last)}"


def _convert_to_ascii(name: str) -> str:
    spelled = name.lower().translate(GERMAN_LETTERS)
    ascii_only = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return "".join(character for character in ascii_only if character.isalnum() or character == "-") or "x"
