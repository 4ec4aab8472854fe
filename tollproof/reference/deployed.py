"""Every fault that a reference deployment can be given, whichever deployment it is.

Knows where each deployment keeps its own. Must not know how a fault is proved: whoever
only serves one need not load what judges it.
"""

from __future__ import annotations

from tollproof.reference.coherent_spark.launch import FAULTS as SPARK_FAULTS
from tollproof.reference.faults import FAULTS, Fault
from tollproof.reference.launch import SPARK

#: The faults that `tollproof serve` can give a deployment.
DEPLOYED: tuple[Fault, ...] = (
    *FAULTS,
    *(
        Fault(name=name, check=check, title=title, of=SPARK)
        for name, check, title in SPARK_FAULTS
    ),
)
