"""Picture files: what is read, what is written, and that nothing is lost on the way.

`formats` knows extensions and first bytes, `picture` is the record that flows,
`reading` and `writing` turn files into records and back, `metadata` carries profiles and
tags from one to the other, `safe` puts bytes on disk whole or not at all.

Nothing is imported here, so that `formats` can be used before numpy is loaded.
"""
