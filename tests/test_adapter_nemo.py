from importlib.util import find_spec

import pytest
from podium.bench.adapters.nemo import Nemo
from podium.bench.errors import UsageError


@pytest.mark.skipif(find_spec("nemo") is not None, reason="NeMo is installed")
def test_says_what_to_install_where_nemo_is_absent():
    with pytest.raises(UsageError, match=r"^nemo: nemo_toolkit is not installed; pip install 'nem"):
        Nemo("nvidia/parakeet-tdt-0.6b-v2")
