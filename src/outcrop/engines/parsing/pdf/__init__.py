"""PDF: pdfium's characters made into blocks that read well.

file.py       opens the file, walks the pages, puts the rest together
segments.py   pdfium's text and boxes -> segments: runs of words on one baseline, in stream order
furniture.py  headers, footers and page numbers that repeat, to leave out
columns.py    segments -> regions in reading order
rows.py       segments of a region -> rows of cells
blocks.py     rows -> headings, paragraphs, lists, tables, code
mending.py    hyphens at line ends, ligatures
hidden.py     text that can't be seen
scans.py      pages whose text is a picture
"""
