"""XMP through an allow-list, and the mark that a trained model altered the photo.

The packet is read and built anew, property by property: what is not listed (editing history with its thumbnails, raw
converters' settings, `tiff:` and `exif:` copies that would contradict the new file) does not come along.
"""

import re
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC NewsCodes: 'edited using generative AI', the term for a photo of which a trained model altered a part."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
_XML = "http://www.w3.org/XML/1998/namespace"
_IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_NAMESPACES = {
    "x": _META,
    "rdf": _RDF,
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": _IPTC_EXTENSION,
    "lr": "http://ns.adobe.com/lightroom/1.0/",
}
for _prefix, _uri in _NAMESPACES.items():
    ElementTree.register_namespace(_prefix, _uri)

_KEPT = """
dc:title dc:description dc:creator dc:contributor dc:rights dc:subject dc:date dc:source dc:publisher dc:identifier
xmp:CreateDate xmp:Rating xmp:Label
xmpRights:Marked xmpRights:Owner xmpRights:UsageTerms xmpRights:WebStatement
photoshop:AuthorsPosition photoshop:CaptionWriter photoshop:Credit photoshop:DateCreated photoshop:Headline
photoshop:Instructions photoshop:Source photoshop:TransmissionReference
Iptc4xmpCore:AltTextAccessibility Iptc4xmpCore:ExtDescrAccessibility Iptc4xmpCore:IntellectualGenre
Iptc4xmpCore:Scene Iptc4xmpCore:SubjectCode
Iptc4xmpExt:Event Iptc4xmpExt:PersonInImage Iptc4xmpExt:DigitalSourceType Iptc4xmpExt:AISystemUsed
lr:hierarchicalSubject
"""
_PLACES = """
photoshop:City photoshop:State photoshop:Country dc:coverage Iptc4xmpCore:Location Iptc4xmpCore:CountryCode
Iptc4xmpExt:LocationCreated Iptc4xmpExt:LocationShown
"""
_MAX_BYTES = 256 * 1024
_MAX_TEXT = 4_000
_MAX_DEPTH = 6
_PACKET = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{}\n<?xpacket end="w"?>'


def _names(listed: str) -> frozenset[str]:
    parts = (name.split(":") for name in listed.split())
    return frozenset(f"{{{_NAMESPACES[prefix]}}}{local}" for prefix, local in parts)


_KEPT_NAMES, _PLACE_NAMES = _names(_KEPT), _names(_PLACES)


def allowed_xmp(packet: bytes, *, places: bool = True) -> bytes:
    """What the allow-list leaves of a packet; a broken one leaves nothing.

    Args:
        packet: XMP as it stands in the file.
        places: whether properties that name a place are kept. Free text that mentions one is not looked through.

    Returns:
        A packet; empty where nothing is left.
    """
    allowed = _KEPT_NAMES | _PLACE_NAMES if places else _KEPT_NAMES
    kept = {element.tag: element for element in _properties(packet, allowed)}
    return _packet(kept.values()) if kept else b""


def marked_xmp(packet: bytes, max_bytes: int = _MAX_BYTES) -> bytes:
    """A packet with the mark in it.

    Args:
        packet: what `allowed_xmp` gave; may be empty.
        max_bytes: where the marked packet would be longer, the mark stands alone.
    """
    mark = [_text("DigitalSourceType", DIGITAL_SOURCE_TYPE), _text("AISystemUsed", "Heirloom")]
    others = (_KEPT_NAMES | _PLACE_NAMES) - {element.tag for element in mark}
    full = _packet([*_properties(packet, others), *mark])
    return full if len(full) <= max_bytes else _packet(mark)


def _properties(packet: bytes, allowed: frozenset[str]) -> Iterator[ElementTree.Element]:
    # Entities are never needed in XMP, and are how XML grows without end: such a packet is not parsed at all.
    if not packet or len(packet) > _MAX_BYTES or re.search(rb"<!\s*(DOCTYPE|ENTITY)", packet):
        return
    try:
        # Ours is UTF-8 and so is nearly everybody's; a declaration of another encoding could hide a DOCTYPE.
        root = ElementTree.fromstring(packet.decode("utf-8").strip("\x00\ufeff \r\n\t"))  # noqa: S314  # see above
    except (ElementTree.ParseError, ValueError):
        return
    for description in root.iter(f"{{{_RDF}}}Description"):
        for name, value in description.attrib.items():
            if name in allowed:
                element = ElementTree.Element(name)
                element.text = value[:_MAX_TEXT]
                yield element
        yield from (copied for child in description if child.tag in allowed and (copied := _copy(child)) is not None)


def _copy(element: ElementTree.Element, depth: int = 0) -> ElementTree.Element | None:
    """An element with its text, its language and what lies in it of RDF's containers and IPTC's own structures."""
    if depth > _MAX_DEPTH:
        return None
    kept = {f"{{{_XML}}}lang", f"{{{_RDF}}}parseType"}
    copied = ElementTree.Element(element.tag, {name: element.attrib[name] for name in kept & element.attrib.keys()})
    copied.attrib.update(
        {name: text for name, text in element.attrib.items() if name.startswith(f"{{{_IPTC_EXTENSION}}}")}
    )
    copied.text = (element.text or "").strip()[:_MAX_TEXT] or None
    for child in element:
        if child.tag.startswith((f"{{{_RDF}}}", f"{{{_IPTC_EXTENSION}}}")):
            inner = _copy(child, depth + 1)
            if inner is not None:
                copied.append(inner)
    return copied


def _text(name: str, text: str) -> ElementTree.Element:
    element = ElementTree.Element(f"{{{_IPTC_EXTENSION}}}{name}")
    element.text = text
    return element


def _packet(properties: Iterable[ElementTree.Element]) -> bytes:
    root = ElementTree.Element(f"{{{_META}}}xmpmeta")
    description = ElementTree.SubElement(ElementTree.SubElement(root, f"{{{_RDF}}}RDF"), f"{{{_RDF}}}Description")
    description.set(f"{{{_RDF}}}about", "")
    description.extend(properties)
    return _PACKET.format(ElementTree.tostring(root, encoding="unicode")).encode()
