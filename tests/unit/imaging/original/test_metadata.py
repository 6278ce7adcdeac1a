import io
import re

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from core.imaging.original.exif import allowed_exif
from core.imaging.original.reading import read_original
from core.imaging.original.saving import save
from core.imaging.original.xmp import DIGITAL_SOURCE_TYPE, allowed_xmp, marked_xmp
from tests.photo_files import noise, saved

FORMATS = ["JPEG", "PNG", "WEBP", "TIFF"]
CANARY = "SECRET"


def camera_exif():
    """As a phone writes it, with everything that should not come along."""
    exif = Image.Exif()
    exif.update({0x010F: "Maker", 0x0110: "Model", 0x0112: 6, 0x0132: "1987:06:05 04:03:02", 0x8298: "© somebody"})
    exif[0x8769] = {
        0x829A: IFDRational(1, 125),
        0x9003: "1987:06:05 04:03:02",
        0x9286: b"ASCII\0\0\0hello",
        0x927C: b"SECRET maker note",
        0xA430: "SECRET owner",
        0xA431: "SECRET serial",
        0xA002: 4_000,
        0xA003: 3_000,
    }
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 29.5), 3: "E", 4: (2.0, 17.0, 40.0), 29: "1987:06:05"}
    return exif


def xmp_of(properties, attributes=""):
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<rdf:Description rdf:about="" {attributes}>{properties}</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()


PACKET = xmp_of(
    """<dc:title><rdf:Alt><rdf:li xml:lang="x-default">At the sea</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag><rdf:li>holiday</rdf:li><rdf:li>boat</rdf:li></rdf:Bag></dc:subject>
<Iptc4xmpExt:LocationCreated><rdf:Bag><rdf:li rdf:parseType="Resource"><Iptc4xmpExt:City>Brest</Iptc4xmpExt:City>
</rdf:li></rdf:Bag></Iptc4xmpExt:LocationCreated>
<tiff:Orientation>6</tiff:Orientation><exif:GPSLatitude>48,24N</exif:GPSLatitude>
<xmpMM:History><rdf:Seq><rdf:li>SECRET history</rdf:li></rdf:Seq></xmpMM:History>""",
    'xmp:Rating="5" photoshop:City="Brest" photoshop:DocumentAncestors="SECRET"',
)


def with_metadata(kind):
    picture = Image.fromarray(noise(3, np.uint8, 40, 60))
    if kind == "TIFF":
        exif = camera_exif()
        exif[700] = PACKET
        options = {"exif": exif.tobytes()}
    else:
        options = {"exif": camera_exif(), "xmp": PACKET}
    if kind == "PNG":
        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", PACKET.decode())
        texts.add_text("Comment", "SECRET comment")
        options = {"exif": camera_exif(), "pnginfo": texts}
    if kind == "JPEG":
        options["comment"] = b"SECRET comment"
    return saved(picture, kind, **options)


def read_back(data):
    """EXIF by directory and XMP, as Pillow reads them."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        exif = picture.getexif()
        packet = picture.info.get("xmp", b"")
        packet = packet.encode() if isinstance(packet, str) else packet
        return dict(exif), exif.get_ifd(0x8769), exif.get_ifd(0x8825), packet, picture.size


@pytest.mark.parametrize("kind", FORMATS)
def test_how_and_when_and_where_a_photo_was_taken_comes_along(kind):
    image, camera, place, packet, size = read_back(save(read_original(with_metadata(kind))).data)
    assert (image[0x010F], image[0x0110], image[0x0132]) == ("Maker", "Model", "1987:06:05 04:03:02")
    assert camera[0x9003] == "1987:06:05 04:03:02"
    assert float(camera[0x829A]) == pytest.approx(1 / 125)
    assert tuple(float(number) for number in place[2]) == (48.0, 51.0, 29.5)
    assert size == (40, 60)  # upright
    assert image.get(0x0112, 1) == 1
    assert (camera[0xA002], camera[0xA003]) == size
    for text in (b"At the sea", b"holiday", b"Brest"):
        assert text in packet


@pytest.mark.parametrize("keep", ["all", "no-location", "none"])
@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_not_on_the_list_is_nowhere_in_the_file(kind, keep):
    sent = with_metadata(kind)
    assert CANARY.encode() in sent
    assert CANARY.encode() not in save(read_original(sent), keep_metadata=keep).data


@pytest.mark.parametrize("kind", FORMATS)
def test_no_location_leaves_no_place_and_keeps_the_rest(kind):
    image, camera, place, packet, _ = read_back(
        save(read_original(with_metadata(kind)), keep_metadata="no-location").data
    )
    assert place == {}
    assert 0x8825 not in image
    assert b"Brest" not in packet
    assert b"48,24" not in packet
    assert camera[0x9003] == "1987:06:05 04:03:02"
    assert b"At the sea" in packet


@pytest.mark.parametrize("kind", FORMATS)
def test_none_leaves_nothing_but_the_mark(kind):
    original = read_original(with_metadata(kind))
    image, camera, place, packet, _ = read_back(save(original, keep_metadata="none").data)
    assert (camera, place) == ({}, {})
    assert 0x010F not in image
    assert b"sea" not in packet
    assert DIGITAL_SOURCE_TYPE.encode() in packet
    unmarked = read_back(save(original, keep_metadata="none", generated=False).data)
    assert unmarked[3] == b""


@pytest.mark.parametrize("keep", ["all", "none", "no-location"])
@pytest.mark.parametrize("kind", FORMATS)
def test_the_mark_is_where_each_format_keeps_xmp_and_readers_find_it(kind, keep):
    data = save(read_original(with_metadata(kind)), keep_metadata=keep).data
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        found = str(picture.info["xmp"])
        if kind == "TIFF":
            assert 700 in picture.tag_v2
    assert found.count("/compositeWithTrainedAlgorithmicMedia") == 1
    where = {"JPEG": b"\xff\xe1", "PNG": b"iTXtXML:com.adobe.xmp\0", "WEBP": b"XMP ", "TIFF": b"II*\0"}
    assert where[kind] in data


def test_an_earlier_source_type_is_replaced():
    earlier = xmp_of(
        "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/x/digitalCapture</Iptc4xmpExt:DigitalSourceType>"
    )
    assert re.findall(rb"DigitalSourceType>([^<]+)<", marked_xmp(allowed_xmp(earlier))) == [
        DIGITAL_SOURCE_TYPE.encode()
    ]


def test_a_packet_that_is_too_long_gives_way_to_the_mark():
    long = allowed_xmp(xmp_of("".join(f"<dc:title>{'long ' * 500}</dc:title>" for _ in range(3))))
    assert b"long" in marked_xmp(long)
    short = marked_xmp(long, max_bytes=1_000)
    assert b"long" not in short
    assert DIGITAL_SOURCE_TYPE.encode() in short


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"rubbish",
        b"<" * 1_000,
        PACKET[:-200],
        b'<!DOCTYPE a [<!ENTITY b "bb">]>' + PACKET,
        PACKET.decode().replace("\ufeff", "").encode("utf-16"),
        xmp_of("<dc:title>" * 100 + "</dc:title>" * 100),
        b"<a>" * 50_000 + b"</a>" * 50_000,
        xmp_of("<dc:title>&#0;</dc:title>"),
        b" " * 300_000 + PACKET,
    ],
    ids=lambda packet: repr(packet[:12]),
)
def test_a_broken_packet_leaves_nothing_or_little_and_the_mark_stands(packet):
    assert len(allowed_xmp(packet)) < 5_000
    assert DIGITAL_SOURCE_TYPE.encode() in marked_xmp(packet)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0rubbish",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(40),
        b"Exif\0\0" + b"\xff" * 60_000,
    ],
    ids=["rubbish", "nowhere", "many", "long"],
)
def test_absurd_exif_does_not_cost_the_photo(kind, exif):
    pixels = noise(3, np.uint8)
    original = read_original(
        saved(Image.fromarray(pixels), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    )
    assert original.exif == b""
    assert original.pixels.shape == pixels.shape


def test_values_that_are_no_numbers_or_too_long_are_left_out():
    exif = Image.Exif()
    exif[0x010F], exif[0x010E], exif[0x0131] = "Maker", "x" * 5_000, "Program"
    exif[0x8769] = {0x829A: IFDRational(1, 0), 0x9003: "1987:06:05 04:03:02", 0x9286: b"y" * 3_900}
    source = Image.Exif()
    source.load(exif.tobytes())
    left = Image.Exif()
    left.load(allowed_exif(source))
    assert dict(left).keys() - {0x8769} == {0x010F, 0x0131}
    assert left.get_ifd(0x8769)[0x9003] == "1987:06:05 04:03:02"
