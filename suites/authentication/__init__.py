"""Who may enter: nobody without a live credential, however it is dressed up (401)."""
