"""Stylised digits of 7 × 12 pixels: codes of the output units of LeNet-5 (LeCun et al. 1998, section II.B and fig. 3).

The paper draws the printable ASCII set; here are the digits, drawn anew in its manner. Digits that look alike have
codes near each other, so that a mistake between them is a small one.
"""

HEIGHT, WIDTH = 12, 7

_DRAWN = """
..###..  ...#...  .#####.  .#####.  .....#.  #######  ..####.  #######  .#####.  .#####.
.#...#.  ..##...  #.....#  #.....#  ....##.  #......  .#.....  ......#  #.....#  #.....#
#.....#  .#.#...  #.....#  ......#  ...#.#.  #......  #......  ......#  #.....#  #.....#
#.....#  ...#...  ......#  ......#  ..#..#.  #......  #......  .....#.  #.....#  #.....#
#.....#  ...#...  ......#  .....#.  .#...#.  ######.  #.####.  .....#.  .#...#.  #.....#
#.....#  ...#...  .....#.  ..###..  #....#.  ......#  ##....#  ....#..  ..###..  .######
#.....#  ...#...  ....#..  .....#.  #....#.  ......#  #.....#  ....#..  .#...#.  ......#
#.....#  ...#...  ...#...  ......#  #######  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  ..#....  ......#  .....#.  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  .#.....  ......#  .....#.  #.....#  #.....#  ..#....  #.....#  .....#.
.#...#.  ...#...  #......  #.....#  .....#.  #.....#  .#....#  ..#....  #.....#  ....#..
..###..  .#####.  #######  .#####.  .....#.  .#####.  ..####.  ..#....  .#####.  .###...
"""


def digit_codes() -> tuple[tuple[float, ...], ...]:
    """A code for each of the digits 0 to 9: its pixels row by row, 1 for ink and −1 for paper."""
    rows = [line.split() for line in _DRAWN.split("\n") if line]
    return tuple(
        tuple(1.0 if pixel == "#" else -1.0 for row in rows for pixel in row[digit]) for digit in range(len(rows[0]))
    )
