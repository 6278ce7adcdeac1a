"""Every number that curation decides by, with the photos it was measured on."""

import math
from dataclasses import dataclass

from core.domain.subject import MIN_ALBUM_PHOTOS, MOST_HELD_OUT


@dataclass(frozen=True)
class CurationThresholds:
    """Where curation draws its lines.

    "The albums" are `albums_raw`, two people's 80 photos with 105 faces, labelled by eye
    (tests/reference/curation_labels.csv). Either half of them, even or odd numbers, gives the same lines. Distances are
    Euclidean, between dlib's embeddings.

    Attributes:
        least_photos: fewer kept photos than this are no album.
        link_distance: two faces this near make each other's place dense. Pairs of one person in the albums: median
            0.46; of two people: at least 0.58, one in a hundred below 0.66.
        limit_ratio: a face is the person's up to this multiple of the median distance of their faces, each from the
            centre of the others. The albums: usable faces of the person up to 1.31, doubtful ones 1.49 and 1.60, other
            people from 1.96. In random albums of 5 … 29 photos from five aligned albums beside up to 45 in 100
            strangers (350 each from LFW, All-Age-Faces, Congress portraits and generated faces) 1.5 keeps 94 to 100 in
            100 of the person's and none of the strangers (in one fixed draw, one of fifteen); 1.65 keeps 97 to 100, and
            one in ten strangers of All-Age-Faces beside a person from East Asia; 1.4 keeps 93 to 99.
        least_limit, most_limit: between which that line is held: an album of one afternoon has a small median, one of
            many people a large one. With 0.40 below, one in forty of those strangers comes through.
        unsure_distance: so far beyond the line a face may still be the person's; it is left out, but said so.
        sure_share: up to this share of the line, nothing else in the photo matters.
        photo_margin: beyond it, another face of the same photo must be this much farther away: one photo seldom shows
            one person twice.
        most_spread, spread_allowance: median distance between the person's own photos, and what divided by their number
            is added, beyond which they are several people who are near to dlib. 16 photos of one of five people: 0.33
            … 0.54; 16 photos of 16 strangers from All-Age-Faces: nineteen in twenty above 0.567. Eight such strangers
            are told in every second case only.
        majority_share: more than this share of the photos with a face must show the person.
        rival_ratio: the photos that show only the next frequent person, over those that show only the first; above it
            nobody can say whose album it is.
        least_lead: this share of the person's photos, at least one, must not show the rival.
        detail_fraction: of the prior's resolution; a face with less detail is small or blurred to the prior. Half,
            because the octave above is what the prior adds. Of 24 degraded photos (`degraded/aligned`) 16 have
            less than 128 pixels of detail, of the person's 75 usable photos in the albums two.
        floor_fraction: of the prior's resolution; with less detail a face is left out even of a poor album.
        comfortable_photos: while fewer are kept, the best of the small and the blurred are taken in all the same.
        copy_bits, copy_distance: two crops whose hashes differ in so many of 126 bits, and that are this near, are
            one picture. 96 re-encoded, halved, brightened, darkened, greyed, tinted and cropped copies: at most 12 bits
            and 0.42.
        moment_bits, moment_distance: or of one moment. In seven albums the nearest photos of one event that are not one
            moment come to 14 bits at 0.29, 20 at 0.27 and 24 at 0.19; the same shot cut and graded anew, to 20 at
            0.20.
        frontal_degrees, profile_degrees: of yaw, either way: up to the first the face looks at us, beyond the second
            it is in profile.
        tilted_degrees: of pitch: beyond it the face looks up or down.
        dark_level, bright_level: median luma of the face, 0 … 255; the albums: 64 … 201, half of them 120 … 160.
        side_light: difference of the cheeks' luma over their mean, beyond which light falls from one side.
        open_mouth: inner lips' height over their width, beyond which the mouth is open.
        smile_width: between the corners of the mouth, in eye distances, beyond which it smiles; resting mouths of the
            albums have 0.72 … 0.93. Coarse, as people's mouths differ.
        one_sided_share: of the kept photos; where more are alike in pose, light or expression, advice says so.
        wished_photos: the paper tunes on about twenty.
        held_out_share, most_held_out: how many photos are kept from tuning to score it; a share of 0 holds none out.
    """

    least_photos: int = MIN_ALBUM_PHOTOS
    link_distance: float = 0.50
    limit_ratio: float = 1.5
    least_limit: float = 0.36
    most_limit: float = 0.55
    unsure_distance: float = 0.07
    sure_share: float = 0.85
    photo_margin: float = 0.08
    most_spread: float = 0.54
    spread_allowance: float = 0.32
    majority_share: float = 0.5
    rival_ratio: float = 0.8
    least_lead: float = 0.1
    detail_fraction: float = 0.5
    floor_fraction: float = 0.25
    comfortable_photos: int = 8
    copy_bits: int = 12
    copy_distance: float = 0.45
    moment_bits: int = 20
    moment_distance: float = 0.25
    frontal_degrees: float = 15.0
    profile_degrees: float = 35.0
    tilted_degrees: float = 15.0
    dark_level: float = 70.0
    bright_level: float = 185.0
    side_light: float = 0.35
    open_mouth: float = 0.2
    smile_width: float = 0.95
    one_sided_share: float = 0.85
    wished_photos: int = 20
    held_out_share: float = 0.15
    most_held_out: int = MOST_HELD_OUT

    def held_out(self, kept: int) -> int:
        """How many of so many kept photos are held out."""
        return min(self.most_held_out, int(self.held_out_share * kept))

    @property
    def first_held_out(self) -> int:
        """The fewest kept photos of which one is held out."""
        return math.ceil(1 / self.held_out_share)


DEFAULT = CurationThresholds()
