"""The model floor: protocol, model classes, engine, training, evaluation."""
