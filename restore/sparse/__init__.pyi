from .coding import Codes, code, code_l1, reconstruct
from .dictionary import Dictionary, overcomplete_dct
from .dictionary_learning import Rules, learn_dictionary
from .estimators import KSVD, OnlineDictionaryLearning

__all__ = [
    "KSVD",
    "Codes",
    "Dictionary",
    "OnlineDictionaryLearning",
    "Rules",
    "code",
    "code_l1",
    "learn_dictionary",
    "overcomplete_dct",
    "reconstruct",
]
