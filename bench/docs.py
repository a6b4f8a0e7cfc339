"""Tables of a document, put where it marks their place; the words around them stay. Pure.

A place is `<!-- figures: NAME -->` … `<!-- /figures -->`, NAME a part's.
"""

import re

PLACE = re.compile(r"(<!-- figures: ([\w-]+) -->\n)(.*?)(<!-- /figures -->)", re.DOTALL)


def filled(text, tables):
    """Put tables (by name) into their places; a place without a new table keeps what it has."""

    def place(found):
        table = tables.get(found[2])
        return found[0] if table is None else f"{found[1]}{table}\n{found[4]}"

    return PLACE.sub(place, text)


def places(text):
    """Name the places that a document has."""
    return [found[2] for found in PLACE.finditer(text)]
