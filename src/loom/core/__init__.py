"""The vocabulary: frozen values and pure functions, standard library only. Everything above speaks in these words."""
