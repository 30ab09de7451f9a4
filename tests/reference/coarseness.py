"""The reader of how coarsely tiles are quantised."""

MOST, APART, DECISIONS = 12, 4, 26


def read_tiles(bits, rows, columns, base, choice):
    """Numbers of all tiles, row by row, from a `BitReader`."""
    tiles = {}
    for y in range(rows):
        for x in range(columns):
            west, north = tiles.get((y, x - 1)), tiles.get((y - 1, x))
            west = north if west is None else west
            north = west if north is None else north
            west, north = west or 0, north or 0
            apart = min(abs(west - north).bit_length(), APART - 1)
            size = 0
            while size < DECISIONS - 2 and bits.mixed(
                [base + apart * DECISIONS + 1 + size], choice
            ):
                size += 1
            if size and bits.mixed([base + apart * DECISIONS], choice):
                size = -size
            tiles[y, x] = min(max((west + north) // 2 + size, -MOST), MOST)
    return tiles
