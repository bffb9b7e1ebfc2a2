"""What a fit is and can always tell: mixed models and their two baselines."""
