"""The book's colours, told apart by lightness as well as hue."""

INK, PAPER, GRID = "#22223b", "#fbf9f4", "#e3ded3"
BLUE, VERMILION, YELLOW, TEAL, VIOLET, BROWN = "#2e6f95", "#d1495b", "#edae49", "#66a182", "#8d6a9f", "#7a4b2a"
PALETTE = (BLUE, VERMILION, YELLOW, TEAL, VIOLET, BROWN)
