"""Data-based generation of images: policies of operations that move image, boxes, mask and keypoints together."""
