"""The printer: plain data as text and HTML, in the layout of R. Imports nothing else of ours."""
