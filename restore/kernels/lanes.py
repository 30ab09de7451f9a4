"""Vector registers (SIMD) inside kernels: values that hold several numbers.

A vectorising compiler does not keep an accumulator of an *outer* loop in registers. Written with
lanes it stays there:

    for j in range(0, width, LANES):
        total = load(row, j)
        for k in range(count):
            total -= factors[k] * load(rows[k], j)
        store(total, row, j)

``+``, ``-``, ``*`` and ``/`` work lane by lane, and a scalar operand is broadcast. A multiplication
and an addition may be contracted into one, as in every kernel. `load` and `store` do not check
bounds: rows must have the length given by `padded`. The number of lanes affects only the speed. If
compilation is off (``NUMBA_DISABLE_JIT=1``, for coverage and debuggers) lanes are short arrays of
numpy.
"""

import operator

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from restore.kernels.jit import kernel

#: Numbers per value: enough registers to hide the latency of additions, few enough that some are
#: left over. There are 32 of 16 numbers, or 16 of 8.
LANES = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 32


@kernel
def padded(width: int) -> int:
    """The least multiple of `LANES` that is not below `width`."""
    return (width + LANES - 1) // LANES * LANES


class _Lanes(types.Type):
    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"lanes({LANES} x {dtype})")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        element = manager.lookup(lanes.dtype).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(element, LANES))


_FLOATS = _Lanes(types.float32)
_INTEGERS = _Lanes(types.int32)
_INT32 = ir.IntType(32)


def _splat(builder, value):
    """`value` in every lane; lanes as they are."""
    if isinstance(value.type, ir.VectorType):
        return value
    nothing = ir.VectorType(value.type, LANES)(ir.Undefined)
    first = builder.insert_element(nothing, value, _INT32(0))
    return builder.shuffle_vector(first, nothing, ir.VectorType(_INT32, LANES)([0] * LANES))


def _define(instruction, *python_operators):
    pairs = [(_FLOATS, _FLOATS), (_FLOATS, types.float32), (types.float32, _FLOATS)]

    def lower(context, builder, sig, arguments):
        left, right = (_splat(builder, argument) for argument in arguments)
        return getattr(builder, instruction)(left, right, flags=("contract",))

    class Template(ConcreteTemplate):
        cases = [signature(_FLOATS, *pair) for pair in pairs]

    for python_operator in python_operators:
        infer_global(python_operator)(type("Template", (Template,), {}))
        for pair in pairs:
            lower_builtin(python_operator, *pair)(lower)


_define("fadd", operator.add, operator.iadd)
_define("fsub", operator.sub, operator.isub)
_define("fmul", operator.mul, operator.imul)
_define("fdiv", operator.truediv, operator.itruediv)


def _address(context, builder, row_type, row, position):
    data = context.make_array(row_type)(context, builder, row).data
    lanes = ir.VectorType(context.get_data_type(row_type.dtype), LANES)
    return builder.bitcast(builder.gep(data, [position]), lanes.as_pointer())


@intrinsic
def load(typing, row, position):
    """row[position : position + LANES], of a contiguous row of float32."""

    def lower(context, builder, sig, arguments):
        return builder.load(_address(context, builder, sig.args[0], *arguments), align=4)

    return _FLOATS(row, types.intp), lower


@intrinsic
def store(typing, lanes, row, position):
    """row[position : position + LANES] = lanes."""

    def lower(context, builder, sig, arguments):
        address = _address(context, builder, sig.args[1], *arguments[1:])
        builder.store(arguments[0], address, align=4)
        return context.get_dummy_value()

    return types.void(_FLOATS, row, types.intp), lower


@intrinsic
def splat(typing, number):
    """The number, float32 or int32, in every lane."""

    def lower(context, builder, sig, arguments):
        return _splat(builder, arguments[0])

    return _Lanes(number)(number), lower


@intrinsic
def if_greater(typing, left, right, chosen, other):
    """`chosen` in the lanes where left > right, else `other`; never where one is NaN."""

    def lower(context, builder, sig, arguments):
        left, right, chosen, other = (_splat(builder, argument) for argument in arguments)
        return builder.select(builder.fcmp_ordered(">", left, right), chosen, other)

    return chosen(left, right, chosen, other), lower


@intrinsic
def index_of_highest(typing, values, blocks):
    """The least of blocks + lane among the lanes of the highest value; no value may be NaN."""

    def reduced(builder, operation, lanes, suffix, flags=()):
        function = builder.module.declare_intrinsic(
            f"llvm.vector.reduce.{operation}.v{LANES}{suffix}",
            fnty=ir.FunctionType(lanes.type.element, [lanes.type]),
        )
        return builder.call(function, [lanes], fastmath=flags)

    def lower(context, builder, sig, arguments):
        values, blocks = arguments
        highest = reduced(builder, "fmax", values, "f32", ("nnan",))
        is_highest = builder.fcmp_ordered("==", values, _splat(builder, highest))
        indices = builder.add(blocks, blocks.type(list(range(LANES))))
        beyond = _splat(builder, _INT32(2**31 - 1))
        return reduced(builder, "smin", builder.select(is_highest, indices, beyond), "i32")

    return types.int32(_FLOATS, _INTEGERS), lower


if numba.config.DISABLE_JIT:

    def load(row, position):  # noqa: F811
        """row[position : position + LANES]."""
        return row[position : position + LANES].copy()

    def store(lanes, row, position):  # noqa: F811
        """row[position : position + LANES] = lanes."""
        row[position : position + LANES] = lanes

    def splat(number):  # noqa: F811
        """The number in every lane."""
        return np.full(LANES, number)

    def if_greater(left, right, chosen, other):  # noqa: F811
        """`chosen` in the lanes where left > right, else `other`; never where one is NaN."""
        return np.where(left > right, chosen, other)

    def index_of_highest(values, blocks):  # noqa: F811
        """The least of blocks + lane among the lanes of the highest value; no value may be NaN."""
        return (blocks + np.arange(LANES, dtype=np.int32))[values == values.max()].min()
