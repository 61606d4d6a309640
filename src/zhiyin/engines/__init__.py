"""Recognition engines, each behind `ports.engine`."""
