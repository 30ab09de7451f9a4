"""Picture files: reading and writing without loss.

`formats` has extensions and signatures, `picture` the record of a picture,
`reading` and `writing` turn files into records and back, `metadata` carries profiles and
tags from one to the other, `safe` writes files completely or not at all.

Nothing is imported here, so that `formats` can be used before numpy is loaded.
"""
