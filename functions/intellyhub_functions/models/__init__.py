"""Language models: how they are asked, over whichever interface, and what that costs."""
