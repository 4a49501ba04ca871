"""U²-Net and U²-Net†: architecture, weights, torch modules, and the published way of using them."""
