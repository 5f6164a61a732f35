"""The names of the Prefect events that automations wait for."""

DRIFT = "darkroom.drift"  # about darkroom.model.<version>
LABELLED = "darkroom.labelled"  # about darkroom.store.<digest of where it lies>
