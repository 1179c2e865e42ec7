"""Speech: services and offline programs that speak a text or write down what was said."""
