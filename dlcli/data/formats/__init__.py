"""File formats: bytes → arrays, checked before memory is taken. They know no source and no option."""
