"""The image kind."""

from synthmill.kinds.image.kind import ImageKind

KIND = ImageKind()
