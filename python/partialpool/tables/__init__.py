"""Tables of a fit: the printed summary, as text and as HTML, and the numbers in them."""
